// One stamp of the connector: everything that one geography needs, in one resource group. docs/deploy.md says what is
// left to do by hand. Queue, table and setting names are compared with the code's in tests/infra.
targetScope = 'resourceGroup'

@description('Short name of the stamp, lower-case letters and digits. Part of every name, and for good: host ids come from it.')
@minLength(2)
@maxLength(8)
param stamp string

@description('Azure region. Everything that rests stays in it.')
param location string = resourceGroup().location

@description('Where browsers, Epic and Event Grid reach the main app. Empty: its own azurewebsites.net address.')
param publicUrl string = ''

@description('Where interface engines reach the hl7 app, for the records shown to analysts. Empty: its own azurewebsites.net address.')
param hl7Url string = ''

@description('Entra tenant whose operators enable organisations.')
param operatorTenantId string = tenant().tenantId

@description('App registration of the config API: the audience of its access tokens.')
param apiClientId string

@description('Applications, comma-separated, whose tokens for people the config API takes: the portal, and tools of yours. Empty: any that a tenant consents to.')
param apiCallerIds string = ''

@description('Address of the configuration portal under your own host name, without a path. Empty: its own azurestaticapps.net address.')
param portalUrl string = ''

@description('Region that the static site of the portal is filed under; not every region has them. No data of a hospital rests there.')
param portalLocation string = 'centralus'

@description('Free, or Standard for a service level agreement and more host names.')
@allowed([
  'Free'
  'Standard'
])
param portalSku string = 'Free'

@description('App registration that calls Graph.')
param connectorClientId string

@description('Address of the Communication Services resource that sends texts. Empty: none yet.')
param acsEndpoint string = ''

@description('Take the access key of Communication Services from secret ACS-ACCESS-KEY. Better: false, and a role for the identity.')
param useAcsAccessKey bool = false

@description('Audience of the token that Event Grid brings. Empty: Event Grid proves itself with a secret.')
param eventGridAudience string = ''

@description('Take the code in the address of the Event Grid subscription from secret EVENT-GRID-SECRET.')
param useEventGridSecret bool = false

@description('Further settings of the main app, as in docs/settings.md. None of them secret: these rest in clear.')
param furtherMainSettings object = {}

@description('Further settings of the hl7 app, as in docs/settings.md. None of them secret: these rest in clear.')
param furtherHl7Settings object = {}

@description('Instances kept warm for each of: browsers and webhooks, presence, write-back. They cost while idle.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 1

@description('Most instances of each app.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 100

@description('Whether storage and vaults answer on their public addresses. Disabled needs private endpoints and a network for both apps, which this stamp does not make.')
@allowed([
  'Enabled'
  'Disabled'
])
param publicNetworkAccess string = 'Enabled'

@description('Copies of what is stored. Both stay in the region; zones are not to be had in every one.')
@allowed([
  'Standard_ZRS'
  'Standard_LRS'
])
param storageSku string = 'Standard_ZRS'

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

var suffix = take(uniqueString(resourceGroup().id, stamp), 6)
var mainName = '${stamp}-main-${suffix}'
var hl7Name = '${stamp}-hl7-${suffix}'

// The two apps are two identities: what the hl7 door may do is not what main may do.
resource mainIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: mainName
  location: location
}

resource hl7Identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: hl7Name
  location: location
}

module monitoring 'app/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    name: '${stamp}-${suffix}'
    location: location
    retentionDays: logRetentionDays
  }
}

module data 'app/data.bicep' = {
  name: 'data'
  params: {
    name: '${stamp}data${suffix}'
    location: location
    sku: storageSku
    publicNetworkAccess: publicNetworkAccess
  }
}

// One host account each. In a shared one the hl7 door could replace the package that main runs.
module mainHost 'app/host-storage.bicep' = {
  name: 'main-host'
  params: {
    name: '${stamp}mhost${suffix}'
    location: location
    sku: storageSku
    publicNetworkAccess: publicNetworkAccess
  }
}

module hl7Host 'app/host-storage.bicep' = {
  name: 'hl7-host'
  params: {
    name: '${stamp}hhost${suffix}'
    location: location
    sku: storageSku
    publicNetworkAccess: publicNetworkAccess
  }
}

// What both apps need stands in one vault, what only main needs in the other: roles are given per vault, and a secret
// need not exist before its role does. The hl7 app seals messages; it has no key of what rests in tables.
module sharedVault 'app/vault.bicep' = {
  name: 'shared-vault'
  params: {
    name: '${stamp}-both-${suffix}'
    location: location
    publicNetworkAccess: publicNetworkAccess
  }
}

module mainVault 'app/vault.bicep' = {
  name: 'main-vault'
  params: {
    name: '${stamp}-main-${suffix}'
    location: location
    publicNetworkAccess: publicNetworkAccess
  }
}

module roles 'app/roles.bicep' = {
  name: 'roles'
  params: {
    mainPrincipalId: mainIdentity.properties.principalId
    hl7PrincipalId: hl7Identity.properties.principalId
    dataAccountName: data.outputs.name
    mainHostAccountName: mainHost.outputs.name
    hl7HostAccountName: hl7Host.outputs.name
    sharedVaultName: sharedVault.outputs.name
    mainVaultName: mainVault.outputs.name
    insightsName: monitoring.outputs.insightsName
  }
}

var sharedSecrets = {
  QUEUE_KEYS: '@Microsoft.KeyVault(VaultName=${sharedVault.outputs.name};SecretName=QUEUE-KEYS)'
}

var mainSecrets = {
  DATA_KEYS: '@Microsoft.KeyVault(VaultName=${mainVault.outputs.name};SecretName=DATA-KEYS)'
  STAMP_SECRET: '@Microsoft.KeyVault(VaultName=${mainVault.outputs.name};SecretName=STAMP-SECRET)'
  CONNECTOR_CERTIFICATE: '@Microsoft.KeyVault(VaultName=${mainVault.outputs.name};SecretName=CONNECTOR-CERTIFICATE)'
  EPIC_KEYS_TEST: '@Microsoft.KeyVault(VaultName=${mainVault.outputs.name};SecretName=EPIC-KEYS-TEST)'
  EPIC_KEYS_PRODUCTION: '@Microsoft.KeyVault(VaultName=${mainVault.outputs.name};SecretName=EPIC-KEYS-PRODUCTION)'
  NOTIFICATION_KEYS: '@Microsoft.KeyVault(VaultName=${mainVault.outputs.name};SecretName=NOTIFICATION-KEYS)'
}

// A reference to a secret that is not there would be taken for the secret itself, so the optional ones are asked for.
var acsKey = useAcsAccessKey ? {
  ACS_ACCESS_KEY: '@Microsoft.KeyVault(VaultName=${mainVault.outputs.name};SecretName=ACS-ACCESS-KEY)'
} : {}

var eventGridSecret = useEventGridSecret ? {
  EVENT_GRID_SECRET: '@Microsoft.KeyVault(VaultName=${mainVault.outputs.name};SecretName=EVENT-GRID-SECRET)'
} : {}

module portal 'app/portal.bicep' = {
  name: 'portal'
  params: {
    name: '${stamp}-portal-${suffix}'
    location: portalLocation
    sku: portalSku
  }
}

// The page's origin: the only one whose browsers may call the main app.
var portalOrigin = empty(portalUrl) ? 'https://${portal.outputs.hostName}' : portalUrl

var mainSettings = {
  PUBLIC_URL: empty(publicUrl) ? 'https://${mainName}.azurewebsites.net' : publicUrl
  HL7_URL: empty(hl7Url) ? 'https://${hl7Name}.azurewebsites.net' : hl7Url
  OPERATOR_TENANT_ID: operatorTenantId
  API_CLIENT_ID: apiClientId
  API_CALLER_IDS: apiCallerIds
  CONNECTOR_CLIENT_ID: connectorClientId
  ACS_ENDPOINT: acsEndpoint
  EVENT_GRID_AUDIENCE: eventGridAudience
}

module mainApp 'app/function-app.bicep' = {
  name: 'main-app'
  params: {
    role: 'main'
    name: mainName
    location: location
    hostId: '${stamp}-main'
    identityName: mainIdentity.name
    hostAccountName: mainHost.outputs.name
    packageContainer: mainHost.outputs.packageContainer
    dataAccountName: data.outputs.name
    insightsName: monitoring.outputs.insightsName
    browserOrigins: [
      portalOrigin
    ]
    settings: union(furtherMainSettings, sharedSecrets, mainSecrets, acsKey, eventGridSecret, mainSettings)
    alwaysReady: [
      'http'
      'function:on_call_event'
      'function:write_back'
    ]
    alwaysReadyInstances: alwaysReadyInstances
    maximumInstances: maximumInstances
  }
  dependsOn: [
    roles
  ]
}

// Nothing is kept warm here: an interface engine waits and sends again, people do not.
module hl7App 'app/function-app.bicep' = {
  name: 'hl7-app'
  params: {
    role: 'hl7'
    name: hl7Name
    location: location
    hostId: '${stamp}-hl7'
    identityName: hl7Identity.name
    hostAccountName: hl7Host.outputs.name
    packageContainer: hl7Host.outputs.packageContainer
    dataAccountName: data.outputs.name
    insightsName: monitoring.outputs.insightsName
    browserOrigins: []
    settings: union(furtherHl7Settings, sharedSecrets)
    alwaysReady: []
    alwaysReadyInstances: alwaysReadyInstances
    maximumInstances: maximumInstances
  }
  dependsOn: [
    roles
  ]
}

@description('Address of the main app: launches, sign-in, the config API, webhooks.')
output MAIN_URL string = 'https://${mainApp.outputs.hostName}'

@description('Address of the configuration portal, for the redirects of its registration.')
output PORTAL_URL string = portalOrigin

@description('Static site that the portal is deployed to.')
output PORTAL_NAME string = portal.outputs.name

@description('Address that interface engines post to, under /hl7v2/ and the id of a connection.')
output HL7_URL string = 'https://${hl7App.outputs.hostName}'

@description('Vault for QUEUE-KEYS.')
output SHARED_VAULT_NAME string = sharedVault.outputs.name

@description('Vault for what only the main app needs.')
output MAIN_VAULT_NAME string = mainVault.outputs.name

@description('Identity of the main app, to be given a role on Communication Services.')
output MAIN_PRINCIPAL_ID string = mainIdentity.properties.principalId
