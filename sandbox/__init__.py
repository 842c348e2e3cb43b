"""AWS ON THIS MACHINE: an emulator of AWS's API, an example application with planted incidents, real servers for tests, and the supervisor that runs them.

In: ``tailrace demo``. Out: a running stack.
"""
