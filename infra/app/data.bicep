// The storage account of queues and tables: all that the connector keeps. Identities only, no keys.

@description('Name of the account.')
param name string

@description('Azure region.')
param location string

@description('Copies.')
param sku string

@description('Enabled or Disabled.')
param publicNetworkAccess string

// shared/storage/names.py has the same names; a test compares.
var queueNames = [
  'scheduling-events'
  'sms-outbound'
  'sms-receipts'
  'meeting-requests'
  'call-events'
  'ehr-writeback'
  'upkeep'
  'number-orders'
  'trial-texts'
]

var tableNames = [
  'Organisations'
  'Connections'
  'Secrets'
  'Visits'
  'Lookups'
  'DueWork'
  'Texts'
  'OptOuts'
  'People'
  'Organisers'
  'Orders'
  'Audit'
  'Parked'
]

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: publicNetworkAccess
  }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queue in queueNames: {
  parent: queueService
  name: queue
}]

// Where the Functions host puts a message whose function raised maxDequeueCount times.
resource poisonQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queue in queueNames: {
  parent: queueService
  name: '${queue}-poison'
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = [for table in tableNames: {
  parent: tableService
  name: table
}]

@description('Name of the account.')
output name string = account.name
