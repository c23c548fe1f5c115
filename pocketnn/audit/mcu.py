"""Real microcontrollers to audit for: what they have, each with the maker's document that says so.

RAM is on-chip data memory; flash is on-chip program memory, or FRAM, or the flash of the usual board where the chip has
none. Saturating instructions are those of the CPU core, not of accelerators beside it. Of Arm's cores ARMv6-M has none;
"SSAT": ARMv7-M has SSAT and USAT; "SSAT+DSP": the DSP extension adds QADD, QADD16, SMLAD and the like (Arm DDI 0403 and
DDI 0553).
"""

from __future__ import annotations

from dataclasses import dataclass

from pocketnn.errors import UsageError

__all__ = ["MCUS", "Mcu", "find_mcu"]

_NONE, _SSAT, _DSP = "none", "SSAT", "SSAT+DSP"


@dataclass(frozen=True, slots=True)
class Mcu:
    """One part. register: bits of a CPU register. flash, ram: bytes. source: where the figures come from."""

    name: str
    core: str
    register: int
    flash: int
    ram: int
    saturating: str
    source: str


def _mcu(name: str, core: str, register: int, flash: float, ram: float, saturating: str, source: str) -> Mcu:
    """A row with its memories in KiB."""
    return Mcu(name, core, register, int(flash * 1024), int(ram * 1024), saturating, source)


MCUS = (
    _mcu("ATtiny85", "AVR", 8, 8, 0.5, _NONE, "Microchip 2586"),
    _mcu("ATmega328P", "AVR", 8, 32, 2, _NONE, "Microchip DS40002061"),
    _mcu("ATmega1284P", "AVR", 8, 128, 16, _NONE, "Microchip DS40002070"),
    _mcu("ATmega2560", "AVR", 8, 256, 8, _NONE, "Microchip DS40002211"),
    _mcu("STM8S208RB", "STM8", 8, 128, 6, _NONE, "ST STM8S20xxx datasheet"),
    _mcu("MSP430G2553", "MSP430", 16, 16, 0.5, _NONE, "TI SLAS735"),
    _mcu("MSP430FR5994", "MSP430X", 16, 256, 8, _NONE, "TI SLASE54 (FRAM; MPY32, LEA too)"),
    _mcu("STM32F030R8", "Cortex-M0", 32, 64, 8, _NONE, "ST DS9773"),
    _mcu("STM32L053R8", "Cortex-M0+", 32, 64, 8, _NONE, "ST DS10152"),
    _mcu("STM32G071RB", "Cortex-M0+", 32, 128, 36, _NONE, "ST DS12232"),
    _mcu("nRF51822", "Cortex-M0", 32, 256, 16, _NONE, "Nordic nRF51822 PS, variant QFAA"),
    _mcu("ATSAMD21G18", "Cortex-M0+", 32, 256, 32, _NONE, "Microchip DS40001882"),
    _mcu("RP2040", "Cortex-M0+", 32, 2048, 264, _NONE, "RP2040 datasheet; flash of Pico"),
    _mcu("STM32F103C8", "Cortex-M3", 32, 64, 20, _SSAT, "ST DS5319"),
    _mcu("STM32F405RG", "Cortex-M4F", 32, 1024, 192, _DSP, "ST DS8626 (64 KiB core-coupled)"),
    _mcu("STM32F411RE", "Cortex-M4F", 32, 512, 128, _DSP, "ST DS10314"),
    _mcu("nRF52840", "Cortex-M4F", 32, 1024, 256, _DSP, "Nordic nRF52840 PS"),
    _mcu("STM32H503RB", "Cortex-M33", 32, 128, 32, _DSP, "ST DS14053"),
    _mcu("STM32H563ZI", "Cortex-M33", 32, 2048, 640, _DSP, "ST DS14258"),
    _mcu("RP2350", "Cortex-M33", 32, 4096, 520, _DSP, "RP2350 datasheet; flash of Pico 2"),
    _mcu("CH32V003F4", "RV32EC", 32, 16, 2, _NONE, "WCH CH32V003 datasheet"),
    _mcu("GD32VF103CB", "RV32IMAC", 32, 128, 32, _NONE, "GigaDevice GD32VF103 datasheet"),
    _mcu("ESP32-C3", "RV32IMC", 32, 4096, 400, _NONE, "Espressif datasheet, variant FH4"),
)


def find_mcu(name: str) -> Mcu:
    """The part of that name, in any case. Raises UsageError if the table has none."""
    for mcu in MCUS:
        if mcu.name.lower() == name.lower():
            return mcu
    raise UsageError(f"no microcontroller {name!r}; there are {', '.join(mcu.name for mcu in MCUS)}")
