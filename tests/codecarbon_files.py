"""Files of other tools, made with the columns of their releases."""

HEADER_33 = """\
timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,\
gpu_power,ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,\
country_name,country_iso_code,region,cloud_provider,cloud_region,os,python_version,\
codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,\
tracking_mode,cpu_utilization_percent,gpu_utilization_percent,ram_utilization_percent,\
ram_used_gb,on_cloud,pue,wue"""
CODECARBON_33 = HEADER_33.split(",")
_LATE = ("cpu_utilization_percent", "gpu_utilization_percent", "ram_utilization_percent")
CODECARBON_30 = [name for name in CODECARBON_33 if name not in (*_LATE, "ram_used_gb")]
CODECARBON_28 = [name for name in CODECARBON_30 if name not in ("water_consumed", "wue")]
RELEASES = {"3.3": CODECARBON_33, "3.0": CODECARBON_30, "2.8": CODECARBON_28}

VALUES = {
    "timestamp": "2026-03-01T10:00:00",
    "project_name": "video",
    "duration": "100.0",
    "emissions": "0.002",
    "cpu_power": "42.5",
    "gpu_power": "690.0",
    "ram_power": "38.0",
    "cpu_energy": "0.00118",
    "gpu_energy": "0.0191667",
    "ram_energy": "0.0010556",
    "energy_consumed": "0.0214023",
    "gpu_count": "1",
    "gpu_model": "1 x NVIDIA H100 80GB HBM3",
    "codecarbon_version": "3.3.2",
}


def emissions_csv(release: str) -> str:
    """An emissions.csv of one row."""
    header = RELEASES[release]
    row = [VALUES.get(name, "") for name in header]
    return ",".join(header) + "\n" + ",".join(row) + "\n"
