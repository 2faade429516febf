"""Pictures in `.zip` and `.tar` files and at addresses, read one by one: nothing is unpacked."""
