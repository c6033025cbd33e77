"""Cars with a low consumption by a feature space, in the manner of a Keras example."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.utils import FeatureSpace
from mlxtend.data import autompg_data

keras.utils.set_random_seed(3)

# The columns of the data: cylinders, displacement, horsepower, weight, acceleration, year, origin,
# name of the car.
table, consumption = autompg_data()
rows = np.random.default_rng(0).permutation(len(table))
frugal = (consumption[rows] > 25).astype("int64")
table = table[rows]


def columns_of(rows):
    return {
        "cylinders": table[rows, 0].astype("int64"),
        "origin": np.array([{1: "us", 2: "europe", 3: "asia"}[int(o)] for o in table[rows, 6]]),
        "horsepower": table[rows, 2].astype("float32"),
        "weight": table[rows, 3].astype("float32"),
        "year": table[rows, 5].astype("float32"),
    }


def dataset_of(rows):
    dataset = tf.data.Dataset.from_tensor_slices((columns_of(rows), frugal[rows]))
    return dataset.shuffle(buffer_size=len(table), seed=4)


train = dataset_of(slice(0, 301)).batch(32)
validation = dataset_of(slice(301, None)).batch(32)

# scope {
feature_space = FeatureSpace(
    features={
        "cylinders": FeatureSpace.integer_categorical(num_oov_indices=0),
        "origin": FeatureSpace.string_categorical(num_oov_indices=0),
        "horsepower": FeatureSpace.float_normalized(),
        "weight": FeatureSpace.float_normalized(),
        "year": FeatureSpace.float_discretized(num_bins=6),
    },
    crosses=[FeatureSpace.cross(feature_names=("cylinders", "origin"), crossing_dim=16)],
    output_mode="concat",
)
feature_space.adapt(train.map(lambda features, _: features))
encoded = feature_space.get_encoded_features()
x = layers.Dense(32, activation="relu")(encoded)
predictions = layers.Dense(1, activation="sigmoid")(x)
training_model = keras.Model(inputs=encoded, outputs=predictions)
training_model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
inference_model = keras.Model(inputs=feature_space.get_inputs(), outputs=predictions)
# }


def preprocessed(dataset):
    encode = dataset.map(lambda x, y: (feature_space(x), y), num_parallel_calls=tf.data.AUTOTUNE)
    return encode.prefetch(tf.data.AUTOTUNE)


history = training_model.fit(
    preprocessed(train), epochs=4, validation_data=preprocessed(validation), verbose=2
)
sample = {name: tf.convert_to_tensor(values[:1]) for name, values in columns_of(slice(9)).items()}
probability = float(inference_model.predict(sample)[0, 0])
