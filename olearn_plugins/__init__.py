"""The bundled models, loaded through the same entry points as anybody's."""
