"""Two waves and their sum, drawn into waves.png."""

import numpy as np
import matplotlib.pyplot as plt

x = np.linspace(0, 4 * np.pi, 500)
slow = np.sin(x)
fast = 0.5 * np.sin(5 * x)

figure, axes = plt.subplots(figsize=(8, 4))
axes.plot(x, slow, label="slow")
axes.plot(x, fast, label="fast")
axes.plot(x, slow + fast, label="both", linewidth=3)
axes.set_xlabel("x")
axes.legend()
figure.savefig("waves.png")

print("Saved waves.png")
