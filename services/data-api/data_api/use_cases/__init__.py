"""What this service does with its clients and stores."""
