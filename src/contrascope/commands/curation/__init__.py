"""Commands on the pictures of a folder: neighbours, duplicates, outliers, clusters, predict."""
