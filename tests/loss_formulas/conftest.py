"""The gradient of a loss by whatever backend the tests run on."""

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session", name="slopes")
def slopes_fixture():
    return slopes


def slopes(loss, labels, logits):
    """The value of a loss and its gradient in the logits, by the backend's own differentiation."""
    if keras.backend.backend() == "jax":
        import jax

        value, gradient = jax.value_and_grad(lambda x: loss(labels, x))(logits)
        return float(value), np.asarray(gradient)
    import tensorflow as tf

    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(labels, variable)
    return float(value), tape.gradient(value, variable).numpy()
