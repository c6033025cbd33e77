"""Temperature some hours ahead by an LSTM, in the manner of a Keras example."""

import keras
import numpy as np

keras.utils.set_random_seed(5)

# Hourly weather: days and seasons, weather that comes and goes, and what a thermometer adds.
HOURS, PAST, FUTURE, STEP, BATCH = 1400, 48, 6, 4, 64
rng = np.random.default_rng(0)
hours = np.arange(HOURS)
drift = np.convolve(rng.normal(size=HOURS + 71), np.ones(72) / 8.5, mode="valid")
temperature = 9 + 6 * np.sin(hours * 2 * np.pi / 24) + 4 * np.sin(hours / 400) + drift
pressure = 1010 + 3 * np.roll(drift, -6) + rng.normal(size=HOURS)
humidity = 70 - 2 * temperature + rng.normal(size=HOURS)
features = np.stack([pressure, temperature, humidity], axis=1).astype("float32")

train_split = 1013
mean, std = features[:train_split].mean(axis=0), features[:train_split].std(axis=0)
features = (features - mean) / std


def dataset_of(begin, end):
    first_target = begin + PAST + FUTURE
    return keras.utils.timeseries_dataset_from_array(
        features[begin:end],
        features[first_target : end + PAST + FUTURE, 1],
        sequence_length=PAST // STEP,
        sampling_rate=STEP,
        batch_size=BATCH,
    )


dataset_train = dataset_of(0, train_split)
dataset_val = dataset_of(train_split, HOURS - PAST - FUTURE)

# scope {
inputs = keras.layers.Input(shape=(PAST // STEP, features.shape[1]))
lstm_out = keras.layers.LSTM(16)(inputs)
outputs = keras.layers.Dense(1)(lstm_out)
model = keras.Model(inputs=inputs, outputs=outputs)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.005), loss="mse")
# }

checkpoint = "forecast.weights.h5"
early_stop = keras.callbacks.EarlyStopping(monitor="val_loss", min_delta=0, patience=5)
save_best = keras.callbacks.ModelCheckpoint(
    monitor="val_loss", filepath=checkpoint, verbose=1, save_weights_only=True, save_best_only=True
)
history = model.fit(
    dataset_train, epochs=3, validation_data=dataset_val, callbacks=[early_stop, save_best]
)
model.load_weights(checkpoint)
best = model.evaluate(dataset_val)
