"""Between the process of tests and that of the tested code: objects of one seen from the other."""
