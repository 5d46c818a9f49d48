"""Batch normalisation in one pass, where the backend has it."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, with TensorFlow's fused kernel for statistics, outputs and gradients.

    Keras 3 makes them of several operations that each read or write the whole maps, in float32 whatever the precision.
    The kernel takes maps of half precision as they are and reckons their statistics in float32. Results agree but for
    rounding. It stands in for a layer for a while, see `fused_normalization`, and is never saved.
    """

    stands_for = keras.layers.BatchNormalization

    def call(self, inputs, training=None, mask=None):
        """As Keras's, whose own code takes masked maps."""
        if mask is not None:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        fresh = bool(training and self.trainable)
        nothing = tf.zeros([0], tf.float32)
        found = tf.raw_ops.FusedBatchNormV3(
            x=tf.cast(inputs, self.compute_dtype),
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=nothing if fresh else tf.convert_to_tensor(self.moving_mean),
            variance=nothing if fresh else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=fresh,
        )
        if fresh:
            # The kernel's variance is the sample's, Keras keeps the population's.
            places = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
            population = found.batch_variance * ((places - 1) / tf.maximum(places, 1))
            for moving, now in ((self.moving_mean, found.batch_mean), (self.moving_variance, population)):
                moving.assign(moving * self.momentum + now * (1.0 - self.momentum))
        return found.y


def fuse(model: keras.Model) -> list[keras.layers.Layer]:
    """Let the batch normalisations of a model run by the fused kernel; on other backends nothing changes.

    Only layers of Keras's own class, over the last axis of (N, H, W, C), with its usual options, are taken; their
    weights, names and configuration stay.

    Returns:
        The layers that were taken.
    """
    taken = [layer for layer in model._flatten_layers() if _fits(layer)]
    for layer in taken:
        layer.__class__ = FusedBatchNormalization
    return taken


@contextmanager
def fused_normalization(model: keras.Model) -> Iterator[None]:
    """`fuse`, and at the end Keras's own layers again, so that these are saved."""
    taken = fuse(model)
    try:
        yield
    finally:
        for layer in taken:
            layer.__class__ = keras.layers.BatchNormalization


def _fits(layer: keras.layers.Layer) -> bool:
    if keras.backend.backend() != "tensorflow" or type(layer) is not keras.layers.BatchNormalization:
        return False
    spec = layer.input_spec
    usual = layer.scale and layer.center and not layer.synchronized and not getattr(layer, "renorm", False)
    fits = spec is not None and spec.ndim == 4 and layer.axis in (-1, 3)
    return usual and fits and layer.compute_dtype in ("float32", "float16", "bfloat16")
