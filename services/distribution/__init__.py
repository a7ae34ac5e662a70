"""Distribution: who is owed a release, and getting it to them."""
