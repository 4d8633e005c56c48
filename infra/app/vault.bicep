// A Key Vault. Its secrets are put there by an operator, never by a deployment: docs/deploy.md.

@description('Name of the vault.')
param name string

@description('Azure region.')
param location string

@description('Enabled or Disabled.')
param publicNetworkAccess string

// Purge protection: who loses STAMP-SECRET or DATA-KEYS loses every row.
resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: publicNetworkAccess
  }
}

@description('Name of the vault.')
output name string = vault.name
