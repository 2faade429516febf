"""What a page and a card say of a run on sentences, where of images they show pictures."""
