import _faulty
_faulty.work(0)
