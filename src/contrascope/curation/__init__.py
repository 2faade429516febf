"""What one does with a folder and an encoder: find pictures, copies, outliers and groups, and name classes."""
