"""Finds the packages: those below src, and the configs at the top as one more."""

from setuptools import find_namespace_packages, setup

setup(packages=[*find_namespace_packages("src"), "gan_cli.conf"])
