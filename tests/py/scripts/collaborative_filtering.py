"""Films for viewers by embeddings of both, in the manner of a Keras example."""

import keras
import numpy as np
from keras import layers, ops

keras.utils.set_random_seed(4)

NUM_USERS, NUM_FILMS, EMBEDDING_SIZE = 60, 80, 8

rng = np.random.default_rng(0)
tastes, kinds = rng.normal(size=(NUM_USERS, 3)), rng.normal(size=(NUM_FILMS, 3))
pairs = rng.permutation(NUM_USERS * NUM_FILMS)[:1237]
x = np.stack([pairs // NUM_FILMS, pairs % NUM_FILMS], axis=1)
liking = np.sum(tastes[x[:, 0]] * kinds[x[:, 1]], axis=1)
y = (liking - liking.min()) / (liking.max() - liking.min())
split = int(0.9 * len(x))
x_train, x_val, y_train, y_val = x[:split], x[split:], y[:split], y[split:]


class RecommenderNet(keras.Model):
    """Match of a viewer and a film: the product of their embeddings, and a bias of each."""

    def __init__(self, num_users, num_films, embedding_size, **kwargs):
        super().__init__(**kwargs)
        regularizer = keras.regularizers.l2(1e-6)
        self.user_embedding = layers.Embedding(
            num_users,
            embedding_size,
            embeddings_initializer="he_normal",
            embeddings_regularizer=regularizer,
        )
        self.user_bias = layers.Embedding(num_users, 1)
        self.film_embedding = layers.Embedding(
            num_films,
            embedding_size,
            embeddings_initializer="he_normal",
            embeddings_regularizer=regularizer,
        )
        self.film_bias = layers.Embedding(num_films, 1)

    def call(self, inputs):
        users, films = inputs[:, 0], inputs[:, 1]
        match = ops.sum(
            self.user_embedding(users) * self.film_embedding(films), axis=1, keepdims=True
        )
        return ops.sigmoid(match + self.user_bias(users) + self.film_bias(films))


# scope {
model = RecommenderNet(NUM_USERS, NUM_FILMS, EMBEDDING_SIZE)
model.compile(
    loss=keras.losses.BinaryCrossentropy(), optimizer=keras.optimizers.Adam(learning_rate=0.01)
)
# }

history = model.fit(
    x=x_train, y=y_train, batch_size=64, epochs=2, verbose=1, validation_data=(x_val, y_val)
)
user = 7
seen = set(x[x[:, 0] == user, 1])
unseen = np.array([[user, film] for film in range(NUM_FILMS) if film not in seen])
ratings = model.predict(unseen).flatten()
recommended = [float(rating) for rating in np.sort(ratings)[::-1][:10]]
