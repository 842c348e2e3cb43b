"""ON AWS: the CloudFormation side of the stack.

What is deployed is built here (``infra.packages``: the collector's function); nothing deploys it yet; ``docs/architecture.md`` says what will be.
"""
