"""A strict stand-in for Azure Communication Services (texts, phone numbers) and the Event Grid behind it.

service   the stand-in put together: `Acs`
gate      who may call: HMAC signature or Entra token, api-version
bodies    what bodies must look like, and how a refusal is said
sms       POST /sms, opt-outs, delivery reports
carrier   accepts texts, carries them to phones, honours STOP
reports   what a carrier's report says, in each of its documented shapes
numbers   search, purchase, list and release of phone numbers
grid      Event Grid: handshakes, deliveries, retries, dead letters
phone     a page that shows a number's texts as its phone would
control   the routes below /_sandbox/ that a test or a person uses
"""
