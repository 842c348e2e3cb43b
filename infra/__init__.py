"""ON AWS: the CloudFormation side of the stack.

Nothing is deployed from here yet; ``docs/architecture.md`` says what will be.
"""
