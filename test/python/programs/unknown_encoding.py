# -*- coding: klingon -*-
print("caf")
