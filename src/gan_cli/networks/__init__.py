"""Generators and discriminators, plain `nn.Module`s."""
