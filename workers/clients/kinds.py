"""Which of the clients that a self-test knows does a User class use?"""

from __future__ import annotations

from locust import FastHttpUser, HttpUser, User

from workers.clients.inference import InferenceUser

INFERENCE, FAST, STOCK = "InferenceUser", "FastHttpUser", "HttpUser"
OF_ITS_OWN = "User"
"""A class with a client that nobody knows."""
KINDS = (INFERENCE, FAST, STOCK, OF_ITS_OWN)


def kind_of(user_class: type[User]) -> str:
    """The name of the client."""
    if issubclass(user_class, InferenceUser):
        return INFERENCE
    if issubclass(user_class, FastHttpUser):
        return FAST
    return STOCK if issubclass(user_class, HttpUser) else OF_ITS_OWN
