// The configuration portal: a static page without secrets. Its content comes by `python -m portal.release` and the
// Static Web Apps command line; docs/deploy.md says how.

@description('Name of the site.')
param name string

@description('Azure region that the site is filed under. The page is served from all over; nothing of a hospital rests in it.')
param location string

@description('Free, or Standard for a service level agreement and more host names.')
param sku string

resource site 'Microsoft.Web/staticSites@2024-11-01' = {
  name: name
  location: location
  sku: {
    name: sku
    tier: sku
  }
  properties: {
    allowConfigFileUpdates: true
    stagingEnvironmentPolicy: 'Disabled'
    publicNetworkAccess: 'Enabled'
  }
}

@description('Host name of the page.')
output hostName string = site.properties.defaultHostname

@description('Name of the site.')
output name string = site.name
