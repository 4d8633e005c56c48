// One Function App on its own Flex Consumption plan. Both apps run the same code; the role decides what is registered.

@description('Which functions the app registers.')
@allowed([
  'main'
  'hl7'
])
param role string

@description('Name of the app; part of its address.')
param name string

@description('Azure region.')
param location string

@description('Host id, at most 32 characters and of this app alone: timers, locks and keys are filed under it.')
@maxLength(32)
param hostId string

@description('Name of the user-assigned identity that the app acts as.')
param identityName string

@description('Name of the storage account of the Functions host.')
param hostAccountName string

@description('Name of the container with the package of the app.')
param packageContainer string

@description('Name of the storage account with queues and tables.')
param dataAccountName string

@description('Name of the Application Insights component.')
param insightsName string

@description('Origins whose pages may call the app from a browser.')
param browserOrigins array

@description('Settings of docs/settings.md beside those that are set here.')
param settings object

@description('What is kept warm: "http" for all HTTP functions together, "function:" and a name for any other.')
param alwaysReady array

@description('Instances kept warm for each of them.')
param alwaysReadyInstances int

@description('Most instances.')
param maximumInstances int

// Client certificates are an app-wide setting. An engine has one, a browser has none.
var demandsCertificate = role == 'hl7'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName
}

resource hostAccount 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostAccountName
}

resource dataAccount 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: dataAccountName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: name
  location: location
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  kind: 'functionapp,linux'
  tags: {
    'azd-service-name': role
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientCertEnabled: demandsCertificate
    clientCertMode: 'Required'
    keyVaultReferenceIdentity: identity.id
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      cors: {
        allowedOrigins: browserOrigins
        supportCredentials: false
      }
    }
    functionAppConfig: {
      runtime: {
        name: 'python'
        version: '3.13'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostAccount.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: maximumInstances
        alwaysReady: [for warm in alwaysReady: {
          name: warm
          instanceCount: alwaysReadyInstances
        }]
      }
    }
  }
}

// Passwords for publishing: none. Deployments come with an Entra token.
resource scmPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

resource ftpPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource appSettings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union(settings, {
    APP_ROLE: role
    CLIENT_CERT_FROM_FRONT_END: demandsCertificate ? 'true' : 'false'
    AzureFunctionsWebHost__hostid: hostId
    AzureWebJobsStorage__accountName: hostAccount.name
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identity.properties.clientId
    ConnectorStorage__queueServiceUri: dataAccount.properties.primaryEndpoints.queue
    ConnectorStorage__tableServiceUri: dataAccount.properties.primaryEndpoints.table
    ConnectorStorage__credential: 'managedidentity'
    ConnectorStorage__clientId: identity.properties.clientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  })
}

@description('Host name of the app.')
output hostName string = app.properties.defaultHostName
