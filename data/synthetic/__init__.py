"""Synthetic images whose labels are true by construction: python -m data.synthetic"""
