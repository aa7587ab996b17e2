"""A week's weather, from the table in weather.csv."""

import pandas as pd

week = pd.read_csv("weather.csv")
print(week.to_string(index=False))
print()

warmest = week.loc[week["temperature"].idxmax()]
print(f"Warmest: {warmest['day']} with {warmest['temperature']} °C")
print(f"Mean temperature: {week['temperature'].mean():.1f} °C")
print("Dry days:", ", ".join(week.loc[week["rain"] == 0, "day"]))
