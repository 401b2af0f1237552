"""The calls that are under way, of all workers on all machines, for administrators who look at them or stop one."""
