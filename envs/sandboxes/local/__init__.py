"""The sandbox of this machine, which needs no daemon: guests forked by an incubator."""
