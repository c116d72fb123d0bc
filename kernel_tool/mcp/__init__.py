"""An episode's tools over the Model Context Protocol."""
