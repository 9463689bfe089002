"""The HTTP server: images in, masks out, for several people at once. Needs the extra `server`.

`anymask.server.app.create_app` makes the application, `anymask.server.server.serve` runs it until a signal stops it.
"""
