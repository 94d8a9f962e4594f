"""The stock-and-flow core: filters of the flows, their seasons, and the simulation that adds up."""
