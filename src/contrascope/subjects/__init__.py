"""One way in: what is measured is opened here."""
