"""The scenes of the chapters' interactives: what an Explorer shows, computed as plain data.

A module for each chapter; its functions take the values of the controls and give a Scene.
"""
