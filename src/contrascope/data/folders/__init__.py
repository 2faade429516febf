"""How a folder of pictures is read: its tree, what its folders mean, the tables beside the pictures, and the words."""
