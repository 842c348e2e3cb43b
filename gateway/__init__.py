"""THE DOORS: one HTTP server with the shapes that clients already speak.

In: OpenSearch REST requests. Out: their answers; what is written goes through the spool.
"""
