"""What can be scaled: adapters from a system's own way of holding a size to the autoscaler's `ScaleTarget`."""
