"""Words that simulated people, streets and suppliers are named with. Cities are real, people are not."""

import numpy as np
import pyarrow as pa

FIRST_NAMES = (
    "Aaron Abigail Adam Alice Amanda Amara Andre Angela Anita Anthony Beatrice Benjamin Bianca Brandon Brenda "
    "Calvin Camila Carl Carmen Caroline Charles Chloe Clara Connor Crystal Daniel Darius David Deborah Denise "
    "Derek Diana Dominic Dorothy Edward Elena Elijah Emily Eric Esther Eva Felix Frances Gabriel George Gloria "
    "Grace Gregory Hannah Harold Hazel Helen Henry Ian Irene Isaac Isabel Jack Jamal James Janet Jasmine Jason "
    "Jesse Joan Joel Jordan Joseph Joyce Juan Judith Julia Karen Keith Kenneth Kevin Kimberly Laura Lawrence "
    "Leah Leon Leticia Liam Lillian Linda Louis Lucia Lydia Malik Marcus Margaret Maria Martin Mary Maya Megan "
    "Michael Miguel Monica Nadia Nathan Nicole Noah Nora Oliver Olivia Oscar Pamela Patricia Paul Peter Philip "
    "Priya Rachel Ralph Rebecca Renee Robert Rosa Ruth Samuel Sara Sean Sofia Stella Stephen Susan Tamika Teresa "
    "Thomas Tyler Vanessa Victor Vincent Walter Wendy Yusuf Zoe"
).split()

LAST_NAMES = (
    "Adams Alexander Allen Anderson Bailey Baker Barnes Bell Bennett Brooks Brown Bryant Butler Campbell Carter "
    "Castillo Chavez Clark Coleman Collins Cook Cooper Cox Cruz Davis Diaz Edwards Evans Fisher Flores Ford "
    "Foster Garcia Gibson Gomez Gonzalez Graham Gray Green Griffin Gutierrez Hall Hamilton Harris Harrison Hayes "
    "Henderson Hernandez Hill Howard Hughes Jackson James Jenkins Johnson Jones Jordan Kelly Kennedy Kim King "
    "Lee Lewis Long Lopez Marshall Martin Martinez Mason McDonald Miller Mitchell Moore Morales Morgan Morris "
    "Murphy Murray Myers Nelson Nguyen Ortiz Owens Parker Patel Patterson Perez Perry Peterson Phillips Powell "
    "Price Ramirez Reed Reyes Reynolds Richardson Rivera Roberts Robinson Rodriguez Rogers Ross Ruiz Russell "
    "Sanchez Sanders Scott Shaw Simmons Smith Stewart Sullivan Taylor Thomas Thompson Torres Tran Turner Walker "
    "Wallace Ward Washington Watson Weber West White Williams Wilson Wood Woods Wright Young"
).split()

STREETS = (
    "Maple Street,Oak Avenue,Main Street,Cedar Lane,Elm Street,Walnut Street,Chestnut Street,Highland Avenue,"
    "Park Avenue,Washington Street,Lakeview Drive,Hillcrest Road,Sycamore Street,Ridge Road,River Road,"
    "Mill Street,Church Street,Franklin Avenue,Willow Lane,Meadow Drive,Spring Street,Linden Avenue,"
    "Jefferson Street,Locust Street,Orchard Road,Prospect Street,Forest Drive,Dogwood Court,Birch Lane,"
    "Madison Avenue"
).split(",")

# City, region, first three digits of its postal codes, telephone area code, zone. All keep
# Eastern time: the quiet hour of the baskets says that the shops stood there.
CITIES = (
    ("Cincinnati", "OH", "452", "513", "America/New_York"),
    ("Columbus", "OH", "432", "614", "America/New_York"),
    ("Dayton", "OH", "454", "937", "America/New_York"),
    ("Cleveland", "OH", "441", "216", "America/New_York"),
    ("Toledo", "OH", "436", "419", "America/New_York"),
    ("Akron", "OH", "443", "330", "America/New_York"),
    ("Indianapolis", "IN", "462", "317", "America/Indiana/Indianapolis"),
    ("Fort Wayne", "IN", "468", "260", "America/Indiana/Indianapolis"),
    ("Bloomington", "IN", "474", "812", "America/Indiana/Indianapolis"),
    ("Louisville", "KY", "402", "502", "America/Kentucky/Louisville"),
    ("Lexington", "KY", "405", "859", "America/New_York"),
    ("Covington", "KY", "410", "859", "America/New_York"),
    ("Detroit", "MI", "482", "313", "America/Detroit"),
    ("Ann Arbor", "MI", "481", "734", "America/Detroit"),
    ("Grand Rapids", "MI", "495", "616", "America/Detroit"),
    ("Charleston", "WV", "253", "304", "America/New_York"),
    ("Huntington", "WV", "257", "304", "America/New_York"),
    ("Knoxville", "TN", "379", "865", "America/New_York"),
    ("Atlanta", "GA", "303", "404", "America/New_York"),
    ("Savannah", "GA", "314", "912", "America/New_York"),
    ("Augusta", "GA", "309", "706", "America/New_York"),
    ("Richmond", "VA", "232", "804", "America/New_York"),
    ("Roanoke", "VA", "240", "540", "America/New_York"),
    ("Norfolk", "VA", "235", "757", "America/New_York"),
    ("Raleigh", "NC", "276", "919", "America/New_York"),
    ("Charlotte", "NC", "282", "704", "America/New_York"),
    ("Greensboro", "NC", "274", "336", "America/New_York"),
    ("Columbia", "SC", "292", "803", "America/New_York"),
    ("Greenville", "SC", "296", "864", "America/New_York"),
    ("Pittsburgh", "PA", "152", "412", "America/New_York"),
)

DEPOTS = ("Cincinnati", "Atlanta", "Richmond")

SUPPLIER_FIRST = (
    "Amber,Ashland,Bayfield,Blue Ridge,Bluegrass,Brookside,Buckeye,Cardinal,Clearwater,Cornerstone,Crescent,"
    "Eastgate,Evergreen,Fairfield,Glenwood,Golden Valley,Great Lakes,Hampton,Harbor,Heartland,Heritage,Hillside,"
    "Ironwood,Juniper,Keystone,Lakeshore,Liberty,Maplewood,Meadowbrook,Midland,Millbrook,Northfield,Oakdale,"
    "Ohio Valley,Piedmont,Pinecrest,Prairie,Redwood,Riverbend,Rockport,Sagamore,Shenandoah,Silver Creek,"
    "Stonebridge,Summit,Sunrise,Three Rivers,Tidewater,Valley Forge,Westbrook,Wildwood,Woodland"
).split(",")

SUPPLIER_SECOND = (
    "Bakers,Brands,Dairies,Farms,Foods,Growers,Household,Kitchens,Mills,Packers,Products,Provisions,Trading,Works"
).split(",")

ABROAD = ("CA", "MX", "DE", "IT", "FR", "NL", "CN", "IN", "BR", "GB")

SEARCHES = (
    "bread,milk,eggs,cheese,yogurt,cereal,coffee,orange juice,chicken,ground beef,pizza,ice cream,bananas,salad,"
    "potato chips,soup,pasta,rice,cookies,soda,water,paper towels,detergent,cat food,dog food,diapers,shampoo"
).split(",")


def choose(words: list[str] | tuple[str, ...], places: np.ndarray) -> pa.Array:
    """The words at these places: string[n]."""
    return pa.array(words).take(pa.array(places))
