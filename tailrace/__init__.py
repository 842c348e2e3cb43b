"""The vocabulary of Tailrace: what every other package names things by, and the command line.

In: nothing. Out: the schema, settings, clock, errors, AWS clients and the layout of the lake. No other package of this repository is
imported from here, except by ``tailrace.cli``.
"""
