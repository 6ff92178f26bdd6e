"""What the sample world is made of: cities, devices, people's names, campaigns, app releases. Constants only.

Cities carry GeoNames coordinates (CC BY 4.0), ISO 3166-2 regions and, in the United States, Nielsen DMA codes.
Domains, phone numbers and names belong to nobody: example domains (RFC 2606) and the fictional +1 555 range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class City:
    """A place where people live or travel to; `weight` is its share of residents, `utc_hours` its winter offset."""

    name: str
    country: str
    region: str
    zip_prefix: str
    latitude: float
    longitude: float
    utc_hours: int
    weight: float
    dma: int | None = None


CITIES: Final = (
    City("Paris", "FR", "IDF", "750", 48.85341, 2.3488, 1, 15.0),
    City("Versailles", "FR", "IDF", "780", 48.80359, 2.13424, 1, 2.5),
    City("Saint-Denis", "FR", "IDF", "932", 48.93564, 2.35387, 1, 2.5),
    City("Lyon", "FR", "ARA", "690", 45.74906, 4.84789, 1, 4.5),
    City("Marseille", "FR", "PAC", "130", 43.29695, 5.38107, 1, 4.0),
    City("Toulouse", "FR", "OCC", "310", 43.60426, 1.44367, 1, 2.5),
    City("Nice", "FR", "PAC", "060", 43.70313, 7.26608, 1, 2.0),
    City("Lille", "FR", "HDF", "590", 50.63391, 3.05512, 1, 1.5),
    City("Berlin", "DE", "BE", "101", 52.52437, 13.41053, 1, 7.0),
    City("Munich", "DE", "BY", "803", 48.13743, 11.57549, 1, 4.0),
    City("Hamburg", "DE", "HH", "200", 53.55073, 9.99302, 1, 3.0),
    City("London", "GB", "ENG", "SW", 51.50853, -0.12574, 0, 10.0),
    City("Manchester", "GB", "ENG", "M", 53.48095, -2.23743, 0, 2.5),
    City("Madrid", "ES", "MD", "280", 40.4165, -3.70256, 1, 4.0),
    City("Barcelona", "ES", "CT", "080", 41.38879, 2.15899, 1, 4.0),
    City("Rome", "IT", "62", "001", 41.89193, 12.51133, 1, 3.0),
    City("Milan", "IT", "25", "201", 45.46427, 9.18951, 1, 3.0),
    City("Amsterdam", "NL", "NH", "10", 52.37403, 4.88969, 1, 2.5),
    City("Brussels", "BE", "BRU", "10", 50.85045, 4.34878, 1, 2.0),
    City("Zürich", "CH", "ZH", "80", 47.36667, 8.55, 1, 1.0),
    City("Vienna", "AT", "9", "10", 48.20849, 16.37208, 1, 1.5),
    City("Lisbon", "PT", "11", "11", 38.72509, -9.1498, 0, 1.5),
    City("Dublin", "IE", "L", "D", 53.33306, -6.24889, 0, 1.5),
    City("Copenhagen", "DK", "84", "21", 55.67594, 12.56553, 1, 1.0),
    City("New York City", "US", "NY", "100", 40.71427, -74.00597, -5, 5.0, 501),
    City("Los Angeles", "US", "CA", "900", 34.05223, -118.24368, -8, 3.0, 803),
    City("Chicago", "US", "IL", "606", 41.85003, -87.65005, -6, 2.0, 602),
    City("San Francisco", "US", "CA", "941", 37.77493, -122.41942, -8, 1.5, 807),
    City("Miami", "US", "FL", "331", 25.77427, -80.19366, -5, 1.0, 528),
    City("Toronto", "CA", "ON", "M", 43.70643, -79.39864, -5, 1.0),
    City("Tokyo", "JP", "13", "100", 35.6895, 139.69171, 9, 1.0),
    City("Athens", "GR", "I", "105", 37.98376, 23.72784, 2, 0.2),
    City("Prague", "CZ", "10", "110", 50.08804, 14.42076, 1, 0.2),
    City("Reykjavík", "IS", "1", "10", 64.13548, -21.89541, 0, 0.1),
)

DESTINATIONS: Final = (
    "Paris",
    "Rome",
    "Barcelona",
    "London",
    "Lisbon",
    "New York City",
    "Amsterdam",
    "Berlin",
    "Vienna",
    "Prague",
    "Athens",
    "Dublin",
    "Tokyo",
    "Copenhagen",
    "Reykjavík",
)
"""Trips on sale, most wished for first; each is one of the cities."""

DESTINATION_WEIGHTS: Final = (27, 12, 11, 10, 8, 7, 6, 5, 4, 4, 4, 3, 3, 2, 1)

AIRPORTS: Final = {
    "Paris": ("CDG", 49.0097, 2.5479),
    "Rome": ("FCO", 41.8003, 12.2389),
    "Barcelona": ("BCN", 41.2974, 2.0833),
    "London": ("LHR", 51.4700, -0.4543),
    "Lisbon": ("LIS", 38.7742, -9.1342),
    "New York City": ("JFK", 40.6413, -73.7781),
    "Amsterdam": ("AMS", 52.3105, 4.7683),
    "Berlin": ("BER", 52.3667, 13.5033),
    "Vienna": ("VIE", 48.1103, 16.5697),
    "Prague": ("PRG", 50.1008, 14.2600),
    "Athens": ("ATH", 37.9364, 23.9445),
    "Dublin": ("DUB", 53.4264, -6.2499),
    "Tokyo": ("HND", 35.5494, 139.7798),
    "Copenhagen": ("CPH", 55.6180, 12.6508),
    "Reykjavík": ("KEF", 63.9850, -22.6056),
}

EU_COUNTRIES: Final = frozenset({"FR", "DE", "ES", "IT", "NL", "BE", "AT", "PT", "IE", "DK", "GR", "CZ"})
"""Where GDPR consent is asked for (Great Britain too, see `GDPR_COUNTRIES`)."""

GDPR_COUNTRIES: Final = EU_COUNTRIES | {"GB", "IS", "CH"}

LANGUAGES: Final = {
    "FR": "fr",
    "DE": "de",
    "ES": "es",
    "IT": "it",
    "NL": "nl",
    "BE": "fr",
    "CH": "de",
    "AT": "de",
    "PT": "pt",
    "DK": "da",
    "JP": "ja",
    "GR": "el",
    "CZ": "cs",
    "IS": "is",
}
"""Device language by country; English where none is named."""

CURRENCIES: Final = ("EUR", "USD", "GBP", "JPY")
CURRENCY_FACTORS: Final = (1.0, 1.1, 0.85, 160.0)
CURRENCY_OF_COUNTRY: Final = {"US": "USD", "CA": "USD", "GB": "GBP", "JP": "JPY"}

CARRIERS: Final = {
    "FR": ("Orange", "SFR", "Bouygues Telecom", "Free"),
    "DE": ("Telekom", "Vodafone", "O2"),
    "GB": ("EE", "Vodafone", "O2", "Three"),
    "ES": ("Movistar", "Vodafone", "Orange"),
    "IT": ("TIM", "Vodafone", "WindTre"),
    "US": ("AT&T", "Verizon", "T-Mobile"),
}
OTHER_CARRIERS: Final = ("Vodafone", "T-Mobile", "Telia")


@dataclass(frozen=True, slots=True)
class Device:
    """A device as mParticle's `device_info` names it; `share` is relative within its platform."""

    platform: str
    model: str
    brand: str
    manufacturer: str
    os_versions: tuple[str, ...]
    share: float
    is_tablet: bool = False


_IOS_NEW: Final = ("26.1", "26.0.1", "18.7", "18.6.2")
_IOS_OLD: Final = ("18.7", "17.5.1", "17.2", "16.7.10")
_ANDROID_NEW: Final = ("16", "15", "14")
_ANDROID_OLD: Final = ("14", "13", "12", "9")

DEVICES: Final = (
    Device("iOS", "iPhone17,1", "iPhone", "Apple", _IOS_NEW, 5),
    Device("iOS", "iPhone16,1", "iPhone", "Apple", _IOS_NEW, 6),
    Device("iOS", "iPhone15,2", "iPhone", "Apple", _IOS_NEW, 5),
    Device("iOS", "iPhone14,5", "iPhone", "Apple", _IOS_OLD, 4),
    Device("iOS", "iPhone12,1", "iPhone", "Apple", _IOS_OLD, 3),
    Device("iOS", "iPad14,1", "iPad", "Apple", _IOS_NEW, 2, is_tablet=True),
    Device("Android", "SM-S921B", "samsung", "Samsung", _ANDROID_NEW, 6),
    Device("Android", "SM-A546B", "samsung", "Samsung", _ANDROID_NEW, 5),
    Device("Android", "SM-A125F", "samsung", "Samsung", _ANDROID_OLD, 3),
    Device("Android", "Pixel 9", "google", "Google", _ANDROID_NEW, 4),
    Device("Android", "Pixel 6a", "google", "Google", _ANDROID_OLD, 3),
    Device("Android", "23021RAA2Y", "Redmi", "Xiaomi", _ANDROID_OLD, 3),
    Device("Android", "SM-X710", "samsung", "Samsung", _ANDROID_NEW, 1, is_tablet=True),
    Device("web", "Macintosh", "Apple", "Apple", ("15.1", "14.6"), 4),
    Device("web", "Windows PC", "Microsoft", "Microsoft", ("11", "10"), 8),
    Device("web", "Linux PC", "Linux", "Linux", ("6.8",), 1),
    Device("roku", "Roku Ultra", "Roku", "Roku", ("14.1", "13.0"), 2),
    Device("roku", "Roku Express", "Roku", "Roku", ("14.1", "12.5"), 3),
)

_FIRST_NAMES: Final = (
    "Amélie, Louis, Camille, Hugo, Inès, Jules, Léa, Nathan, Manon, Théo, Anna, Jonas, Lena, Felix, Mia, Paul, "
    "Emma, Leon, Olivia, George, Amelia, Harry, Isla, Noah, Ava, Jack, Lucía, Mateo, Sofía, Pablo, Giulia, "
    "Lorenzo, Chiara, Marco, Sanne, Daan, Ana, Tiago, Aoife, Conor, Freja, Oskar, Madison, Ethan, Chloe, Mason, "
    "Harper, Logan, Yui, Haruto, Mei, Ren, Priya, Arjun, Fatima, Omar, Zoe, Ivan"
)
FIRST_NAMES: Final = tuple(_FIRST_NAMES.split(", "))

_LAST_NAMES: Final = (
    "Martin, Bernard, Dubois, Thomas, Robert, Petit, Durand, Leroy, Moreau, Simon, Laurent, Lefebvre, Müller, "
    "Schmidt, Schneider, Fischer, Weber, Meyer, Wagner, Becker, Smith, Jones, Taylor, Brown, Williams, Wilson, "
    "Johnson, Davies, Powell, Walker, García, Fernández, López, Martínez, Rossi, Russo, Ferrari, Esposito, "
    "Bianchi, Jansen, de Vries, Visser, Silva, Santos, Ferreira, Murphy, Kelly, Byrne, Nielsen, Hansen, Anderson, "
    "Miller, Davis, Clark, Lewis, Sato, Suzuki, Tanaka, Patel, Khan, O'Brien, Novák, Nagy"
)
LAST_NAMES: Final = tuple(_LAST_NAMES.split(", "))

EMAIL_DOMAINS: Final = ("example.com", "example.net", "mail.example", "post.example", "example.org", "Example.com")
EMAIL_DOMAIN_WEIGHTS: Final = (40, 20, 15, 12, 9, 4)

INTERESTS: Final = (
    "city breaks",
    "beaches",
    "hiking",
    "museums",
    "food",
    "nightlife",
    "skiing",
    "rail trips",
    "family",
    "festivals",
)

TIERS: Final = ("basic", "silver", "gold", "platinum")

PUBLISHERS: Final = ("Facebook", "Google Ads", "TikTok", "Apple Search Ads", "Newsletter")
CAMPAIGNS: Final = (
    "spring_getaways",
    "spring_city_breaks",
    "winter_sun",
    "brand_search",
    "early_bird_summer",
    "refer_a_friend",
)
ORGANIC: Final = -1
"""The campaign code of people who came by themselves."""

RELEASES: Final = (
    ("5.0.0", 4981, 0.0),
    ("5.1.0", 5102, 21.0),
    ("5.2.0", 5230, 48.0),
    ("5.2.1", 5244, 59.0),
    ("5.10.0", 5391, 78.0),
)
"""App releases: version, build, day of the 90 on which it came out. 5.2.0 is the one that crashes."""

BUGGY_RELEASE: Final = 2
WEB_VERSION: Final = "2026.4"

CRASHES: Final = (
    ("NullPointerException", "Attempt to read a trip without dates"),
    ("IndexOutOfBoundsException", "Index 3 out of bounds for length 3"),
    ("NSInvalidArgumentException", "-[TripCell price]: unrecognized selector"),
    ("OutOfMemoryError", "Failed to allocate a 24 MB bitmap"),
)
