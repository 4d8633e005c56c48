// Who may do what: every role assignment of the stamp, and the only place that names roles. tests/infra holds the same
// list as a table. The apps may read and write; neither may change access, delete an account or read a key.

@description('Principal of the main app.')
param mainPrincipalId string

@description('Principal of the hl7 app.')
param hl7PrincipalId string

@description('Storage account with queues and tables.')
param dataAccountName string

@description('Storage account of the host of main.')
param mainHostAccountName string

@description('Storage account of the host of hl7.')
param hl7HostAccountName string

@description('Vault with what both apps need.')
param sharedVaultName string

@description('Vault with what only main needs.')
param mainVaultName string

@description('Application Insights component.')
param insightsName string

// Azure's built-in roles, the same in every tenant.
var roles = {
  // read, write and delete blobs and containers: package, keys and locks of the Functions host
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  // read, write and delete queues and messages: triggers renew their leases, which the narrower roles do not allow
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  // add a message to a queue, nothing else
  storageQueueDataMessageSender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  // read, write and delete tables and rows
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  // read tables and rows
  storageTableDataReader: '76199698-9eea-4c19-bc75-cec21354c6b6'
  // read the value of secrets
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  // write metrics, and with Entra sign-in also logs
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

resource dataAccount 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: dataAccountName
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' existing = {
  parent: dataAccount
  name: 'default'
}

resource schedulingEvents 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' existing = {
  parent: queueService
  name: 'scheduling-events'
}

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' existing = {
  parent: dataAccount
  name: 'default'
}

resource connections 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' existing = {
  parent: tableService
  name: 'Connections'
}

resource mainHostAccount 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: mainHostAccountName
}

resource hl7HostAccount 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hl7HostAccountName
}

resource sharedVault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: sharedVaultName
}

resource mainVault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: mainVaultName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource mainKeepsItsHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(mainHostAccount.id, mainPrincipalId, roles.storageBlobDataOwner)
  scope: mainHostAccount
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
    principalId: mainPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource mainWorksOnQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(dataAccount.id, mainPrincipalId, roles.storageQueueDataContributor)
  scope: dataAccount
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageQueueDataContributor)
    principalId: mainPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource mainKeepsTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(dataAccount.id, mainPrincipalId, roles.storageTableDataContributor)
  scope: dataAccount
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
    principalId: mainPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource mainReadsSharedSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(sharedVault.id, mainPrincipalId, roles.keyVaultSecretsUser)
  scope: sharedVault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
    principalId: mainPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource mainReadsItsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(mainVault.id, mainPrincipalId, roles.keyVaultSecretsUser)
  scope: mainVault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
    principalId: mainPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource mainLogs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, mainPrincipalId, roles.monitoringMetricsPublisher)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
    principalId: mainPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource hl7KeepsItsHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hl7HostAccount.id, hl7PrincipalId, roles.storageBlobDataOwner)
  scope: hl7HostAccount
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
    principalId: hl7PrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource hl7SendsEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(schedulingEvents.id, hl7PrincipalId, roles.storageQueueDataMessageSender)
  scope: schedulingEvents
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageQueueDataMessageSender)
    principalId: hl7PrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource hl7ReadsConnections 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(connections.id, hl7PrincipalId, roles.storageTableDataReader)
  scope: connections
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataReader)
    principalId: hl7PrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource hl7ReadsSharedSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(sharedVault.id, hl7PrincipalId, roles.keyVaultSecretsUser)
  scope: sharedVault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
    principalId: hl7PrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource hl7Logs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, hl7PrincipalId, roles.monitoringMetricsPublisher)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
    principalId: hl7PrincipalId
    principalType: 'ServicePrincipal'
  }
}
