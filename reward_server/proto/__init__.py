"""The published gRPC interface; compass_pb2*.py are made from compass.proto by the command in its head."""
