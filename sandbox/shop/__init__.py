"""The example application: a small shop of five services that log JSON to CloudWatch Logs and trace with aws-xray-sdk.

::

    load --> web --> cart       --> DynamoDB (carts)
              |----> inventory  --> DynamoDB (stock)
              |----> payment    --> SNS (orders)
              '----> mail       --> S3 (receipts)

``python -m sandbox.shop`` runs all five, each a server on a port of its own, in one process: five processes would need 350 MB instead of 110.
``python -m sandbox.shop --only cart`` runs one.
"""
