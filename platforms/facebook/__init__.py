"""Facebook Pages: the code that several services share."""
