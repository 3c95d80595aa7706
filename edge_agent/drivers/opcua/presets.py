"""What servers of some makers bear, where what they tell of themselves misleads."""

from collections.abc import Mapping
from typing import Literal

from edge_agent.config.settings import NodeLimits

Preset = Literal["siemens-s7-1200", "siemens-s7-1500"]

# Of each number its source: benthos-umh, opc_ua plugin, `server_profiles.go` (acf99b9, 2026-07), which says
# what was seen on machines. What that does not say is left to what the server tells of itself.
PRESETS: Mapping[Preset, NodeLimits] = {
    # Tells MaxMonitoredItemsPerCall 1000; with more than 200 a call takes fifty times as long. 1,000 items in
    # all. Refuses a DataChangeFilter, for which it is not asked unless a profile says so.
    "siemens-s7-1200": NodeLimits(items_per_call=100, items=1000),
    # Batches of 500, 10,000 items in all.
    "siemens-s7-1500": NodeLimits(items_per_call=500, items=10_000),
}
