"""The machine learning backend of Label Studio: its labelling configuration, regions and connections."""
