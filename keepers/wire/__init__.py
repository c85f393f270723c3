"""What goes over HTTP: strict codecs, admission by signature, the server's limits and the client of attesters.

Routes are plain synchronous functions; asyncio exists only in `server.py`.
"""
