"""Tables as the app uses them, on the real emulator."""

from shared.storage.names import Table
from tests.conftest import Store


async def test_a_row_is_found_again(store: Store):
    row = {"PartitionKey": "p", "RowKey": "r", "phone_sealed": "+16085550100"}
    assert await store.tables.insert(Table.VISITS, row)
    assert (await store.tables.get(Table.VISITS, "p", "r"))["phone_sealed"] == "+16085550100"
