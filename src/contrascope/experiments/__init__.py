"""Empty since version 0.2: its modules are now rooms of their own; `contrascope.moved` leads old paths there."""
