"""The web page and the JSON API beside it: a door for people who open no terminals. Needs the extra ``web``."""
