"""The synthetic fleet: months of made-up studios whose workings are known.

`options` says what is made, `months` makes it, `responses` holds what was planted, `truth` says what would
happen if levers were held: so that what a model finds can be checked.
"""
