"""refusals"""
